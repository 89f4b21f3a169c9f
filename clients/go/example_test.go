package idalloc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	idalloc "github.com/id-alloc/id-alloc/clients/go"
)

// server stands for an id-alloc server whose tag "order" begins at 1001.
func server() *httptest.Server {
	next := 1001
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var count int
		fmt.Sscan(r.URL.Query().Get("count"), &count)
		fmt.Fprintf(w, `{"errno":0,"msg":"success","first":%d,"count":%d}`, next, count)
		next += count
	}))
}

func Example() {
	server := server() // http://127.0.0.1:8880 in real life
	defer server.Close()

	client, err := idalloc.New(idalloc.Options{Servers: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	order := client.Tag("order")
	id, err := order.Next(context.Background())
	switch {
	case errors.Is(err, idalloc.ErrUnknownTag):
		fmt.Println("create the tag first:", err)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(id)
	}
	ids, err := order.NextMany(context.Background(), 3)
	fmt.Println(ids, err)
	// Output:
	// 1001
	// [1002 1003 1004] <nil>
}
