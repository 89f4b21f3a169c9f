package idalloc

import (
	"errors"
	"fmt"
	"strings"
)

// What an [*Error] is, for errors.Is.
var (
	// ErrUnknownTag: the tag does not exist. Create it (id-alloc tag create).
	ErrUnknownTag = errors.New("unknown tag")
	// ErrExhausted: no ids are left below the server's allocation.id_limit.
	ErrExhausted = errors.New("exhausted")
	// ErrUnauthorized: the token is missing, wrong, or good for other tags only.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnavailable: no ids came in time. Another attempt later may succeed.
	ErrUnavailable = errors.New("unavailable")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("the client is closed")

	errOther = errors.New("refused")
)

// Error is every error that Next and NextMany return; errors.As finds it. It says what the server said.
type Error struct {
	// Kind is one of the errors above, nil for anything else, such as a tag with a name that no tag may have.
	Kind error
	// Tag whose ids were wanted.
	Tag string
	// Server that refused, with its Status and Code (unknown_tag, …); empty where no single answer was the reason.
	Server string
	Status int
	Code   string
	// Message is what the server said, or what happened.
	Message string
	// Err is the cause, such as the context's error or the last failed attempt.
	Err error
}

func (e *Error) Error() string {
	text := []string{fmt.Sprintf("id-alloc: tag %q", e.Tag)}
	if e.Kind != nil {
		text = append(text, e.Kind.Error())
	}
	switch {
	case e.Status != 0:
		text = append(text, fmt.Sprintf("%s answered %s", e.Server, answer(e.Status, e.Code, e.Message)))
	case e.Message != "":
		text = append(text, e.Message)
	}
	if e.Err != nil {
		text = append(text, e.Err.Error())
	}
	return strings.Join(text, ": ")
}

// Unwrap makes errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	var inner []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			inner = append(inner, err)
		}
	}
	return inner
}

func answer(status int, code, message string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, code)) + ": " + message
}
