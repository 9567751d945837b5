// A client of the function: see ../program.py for the tasks on stdin and the results on stdout.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

type task struct {
	Client, URL, Body, Mode string
	Headers                 map[string]string
	Chunked                 bool
	Event                   json.RawMessage
}

type result struct {
	Status  int                `json:"status"`
	Headers map[string]string  `json:"headers"`
	Body    string             `json:"body"`
	Event   *cloudevents.Event `json:"event,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one task
		must(json.Unmarshal(lines.Bytes(), &one))
		must(json.NewEncoder(os.Stdout).Encode(do(one)))
	}
}

func do(one task) result {
	switch one.Client {
	case "sdk":
		return bySdk(one)
	case "reverse-proxy":
		proxy := proxyTo(one.URL)
		defer proxy.Close()
		return post(one, proxy.URL+path(one.URL))
	default:
		return post(one, one.URL)
	}
}

func post(one task, to string) result {
	var body io.Reader = strings.NewReader(one.Body)
	if one.Chunked {
		body = io.MultiReader(body) // hides the length
	}
	request, err := http.NewRequest("POST", to, body)
	must(err)
	for name, value := range one.Headers {
		request.Header.Set(name, value)
	}
	return send(request)
}

func send(request *http.Request) result {
	answer, err := http.DefaultClient.Do(request)
	must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(err)
	headers := map[string]string{}
	for name := range answer.Header {
		headers[strings.ToLower(name)] = answer.Header.Get(name)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	found := result{Status: answer.StatusCode, Headers: headers, Body: string(body)}
	if event, err := binding.ToEvent(context.Background(), cehttp.NewMessageFromHttpResponse(answer)); err == nil {
		found.Event = event
	}
	return found
}

func bySdk(one task) result {
	event := cloudevents.NewEvent()
	must(json.Unmarshal(one.Event, &event))
	ctx := cloudevents.WithEncodingBinary(context.Background())
	if one.Mode == "structured" {
		ctx = cloudevents.WithEncodingStructured(ctx)
	}
	request, err := http.NewRequest("POST", one.URL, nil)
	must(err)
	must(cehttp.WriteRequest(ctx, binding.ToMessage(&event), request))
	return send(request)
}

func proxyTo(target string) *httptest.Server {
	to, err := url.Parse(target)
	must(err)
	to.Path = ""
	return httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) { request.SetURL(to) },
	})
}

func path(target string) string {
	parsed, err := url.Parse(target)
	must(err)
	return parsed.Path
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
