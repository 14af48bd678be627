// Classifies image files from Go. In this folder, once:
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//	PATH="$PATH:$(go env GOPATH)/bin" protoc -I ../../../proto \
//	    --go_out=. --go_opt=module=patchserve \
//	    --go-grpc_out=. --go-grpc_opt=module=patchserve \
//	    patchserve/v1/classification.proto
//
// and then:
//
//	go run . 127.0.0.1:8001 cat.jpg dog.png
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	patchservev1 "patchserve/v1"
)

// Try again where the server says that this helps; it may also say when.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "patchserve.v1.ImageClassification", "method": "Classify"}],
    "retryPolicy": {
      "maxAttempts": 5,
      "initialBackoff": "0.15s",
      "maxBackoff": "2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    }
  }]
}`

func classify(client patchservev1.ImageClassificationClient, file string) error {
	image, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := client.Classify(ctx,
		&patchservev1.ClassifyRequest{Image: &patchservev1.ClassifyRequest_Encoded{Encoded: image}},
		grpc.MaxRetryRPCBufferSize(64<<20)) // a larger request isn't retried
	if err != nil {
		return err
	}
	for _, p := range answer.Predictions {
		name := p.Description
		if name == "" {
			name = p.Label
		}
		fmt.Printf("%s\t%.2f %%\t%s\n", file, 100*p.Probability, name)
	}
	return nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: classify HOST:PORT FILE ...")
		os.Exit(2)
	}
	conn, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer conn.Close()
	client := patchservev1.NewImageClassificationClient(conn)
	exitCode := 0
	for _, file := range os.Args[2:] {
		if err := classify(client, file); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			exitCode = 1
		}
	}
	os.Exit(exitCode)
}
