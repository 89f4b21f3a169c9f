// Takes ids with go-redis and prints them: client HOST PORT NAME TOKEN. Fails where an answer is not what it should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func check(ok bool, what ...any) {
	if !ok {
		fmt.Fprintln(os.Stderr, what...)
		os.Exit(1)
	}
}

func good[T any](value T, err error) T {
	check(err == nil, err)
	return value
}

func take(protocol int) (ids []int64) {
	options := redis.Options{
		Addr: net.JoinHostPort(os.Args[1], os.Args[2]), Username: os.Args[3], Password: os.Args[4],
		Protocol: protocol, ClientName: "go-redis",
	}
	client := redis.NewClient(&options)
	defer client.Close()
	check(good(client.Ping(ctx).Result()) == "PONG")
	for range 100 {
		ids = append(ids, good(client.Incr(ctx, "test").Result()))
	}
	last := good(client.IncrBy(ctx, "test", 50).Result())
	for id := last - 49; id <= last; id++ {
		ids = append(ids, id)
	}
	incr := func(several redis.Pipeliner) error {
		for range 100 {
			several.Incr(ctx, "test")
		}
		return nil
	}
	for _, several := range []func(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error){
		client.Pipelined, client.TxPipelined,
	} {
		for _, answer := range good(several(ctx, incr)) {
			if id, ok := answer.(*redis.IntCmd); ok {
				ids = append(ids, good(id.Result()))
			}
		}
	}
	for index := range ids[1:] {
		check(ids[index] < ids[index+1], "out of order:", ids[index], ids[index+1])
	}
	newest := good(client.Get(ctx, "test").Int64())
	check(newest == ids[len(ids)-1], "newest:", newest)
	check(errors.Is(client.Get(ctx, "nosuch").Err(), redis.Nil))
	check(good(client.Exists(ctx, "test", "nosuch").Result()) == 1)
	refused := func(err error, expected string) {
		check(err != nil && strings.Contains(err.Error(), expected), err)
	}
	refused(client.Set(ctx, "test", 1, 0).Err(), "is refused: ids only go up")
	refused(client.Decr(ctx, "test").Err(), "is refused: ids only go up")
	refused(client.Del(ctx, "test").Err(), "is refused: ids only go up")
	refused(client.Incr(ctx, "nosuch").Err(), "unknown biz_tag")
	refused(client.IncrBy(ctx, "test", 0).Err(), "from 1 to")
	options.Password = "wrong"
	stranger := redis.NewClient(&options)
	defer stranger.Close()
	refused(stranger.Ping(ctx).Err(), "WRONGPASS")
	return ids
}

func main() {
	for _, protocol := range []int{2, 3} {
		for _, id := range take(protocol) {
			fmt.Println(strconv.FormatInt(id, 10))
		}
	}
}
