package idalloc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what is read of an answer; one with ids has about 60 bytes.
const maxBody = 64 << 10

// failure is why an attempt brought no ids.
type failure struct {
	server string
	// status is 0 where no whole answer came.
	status        int
	code, message string
	err           error
	retryAfter    time.Duration
	// final is the kind of error to raise at once, errOther if it has none: no other attempt would help. Else nil.
	final error
	// tooMany: the server permits fewer ids at once. noIds: it has not as many just now.
	tooMany, noIds bool
}

func (f *failure) Error() string {
	if f.status == 0 {
		return fmt.Sprintf("%s: %v", f.server, f.err)
	}
	return fmt.Sprintf("%s answered %s", f.server, answer(f.status, f.code, f.message))
}

func (f *failure) Unwrap() error { return f.err }

// ask asks one server for a range once.
func (c *core) ask(ctx context.Context, s *server, tag string, count int64) (first int64, f *failure) {
	u := s.base
	u.RawQuery = url.Values{"biz_tag": {tag}, "count": {strconv.FormatInt(count, 10)}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return 0, &failure{server: s.name, err: err}
	}
	request.Header.Set("Cache-Control", "no-store")
	request.Header.Set("Accept", "application/json")
	// Not sent, but makes net/http repeat the request by itself when a kept connection was closed meanwhile. A range that
	// was claimed for nobody is a gap.
	request.Header["Idempotency-Key"] = nil
	if c.options.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, &failure{server: s.name, err: unwrapped(ctx, err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return 0, &failure{server: s.name, err: fmt.Errorf("the answer broke off: %w", unwrapped(ctx, err))}
	}
	if len(body) > maxBody {
		return 0, &failure{server: s.name, err: errors.New("the answer does not end")}
	}
	if response.StatusCode != http.StatusOK {
		return 0, s.refusal(response, body)
	}
	if response.Header.Get("Age") != "" {
		return 0, s.bad("an answer from a cache (it has an Age header), which somebody else may have been given too")
	}
	first, err = parse(body, count)
	if err != nil {
		return 0, s.bad(err.Error())
	}
	return first, nil
}

// unwrapped leaves out what net/http puts around an error: method and address, which the message has anyhow.
func unwrapped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// parse returns the first id of an answer that is exactly what was asked for.
func parse(body []byte, count int64) (first int64, err error) {
	var answer struct {
		Errno *int64          `json:"errno"`
		First json.RawMessage `json:"first"`
		Count json.RawMessage `json:"count"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Errno == nil || *answer.Errno != 0 {
		return 0, fmt.Errorf("no answer with ids: %s", start(body))
	}
	first, okFirst := integer(answer.First)
	got, okCount := integer(answer.Count)
	if !okFirst || !okCount {
		return 0, fmt.Errorf("no answer with ids: %s", start(body))
	}
	if got != count {
		return 0, fmt.Errorf("%d ids, where %d were asked for", got, count)
	}
	if first > math.MaxInt64-count+1 {
		return 0, fmt.Errorf("%d ids from %d on, which is past 64 bits", count, first)
	}
	return first, nil
}

// integer reads digits, as a JSON number or in a string.
func integer(raw json.RawMessage) (int64, bool) {
	text := string(raw)
	if len(text) >= 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	value, err := strconv.ParseInt(text, 10, 64)
	return value, err == nil
}

// refusal is what a status other than 200 means.
func (s *server) refusal(response *http.Response, body []byte) *failure {
	f := &failure{server: s.name, status: response.StatusCode}
	var said struct {
		Msg  string `json:"msg"`
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &said) == nil && said.Msg != "" {
		f.code, f.message = said.Code, said.Msg
	} else {
		f.message = start(body)
	}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 31); err == nil {
		f.retryAfter = time.Duration(seconds) * time.Second
	}
	switch {
	case f.status == http.StatusNotFound && f.code == "unknown_tag":
		f.final = ErrUnknownTag
	case f.code == "tag_exhausted":
		f.final = ErrExhausted
	case f.status == http.StatusUnauthorized || f.status == http.StatusForbidden:
		f.final = ErrUnauthorized
	case f.status == http.StatusBadRequest || f.status == http.StatusRequestEntityTooLarge ||
		f.status == http.StatusRequestURITooLong || f.status == http.StatusRequestHeaderFieldsTooLarge:
		f.final, f.tooMany = errOther, f.code == "invalid_count"
	case f.code == "no_available_id":
		f.noIds = true
	}
	return f
}

func (s *server) bad(message string) *failure {
	return &failure{server: s.name, status: http.StatusOK, message: message}
}

func (s *server) repeated(first, count int64) *failure {
	return s.bad(fmt.Sprintf("ids %d to %d, of which this client was given some before; is there a cache or a proxy that repeats answers?", first, first+count-1))
}

// start is as much of a body as fits into a message.
func start(body []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "�")), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	if text == "" {
		return "an empty body"
	}
	return text
}
