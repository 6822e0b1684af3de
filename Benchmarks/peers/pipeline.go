// A pipeline's work with nats.go: fills a stream, or consumes it, puts each message into an object store and acknowledges it.
// usage: pipeline URL fill STREAM COUNT SIZE | pipeline URL consume STREAM BUCKET COUNT IN_FLIGHT
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func fill(stream nats.JetStreamContext, name string, count int, size int) {
	_, err := stream.AddStream(&nats.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
	must(err)
	payload := make([]byte, size)
	for index := 0; index < count; index++ {
		_, err := stream.PublishAsync(fmt.Sprintf("%s.%d", name, index%100), payload)
		must(err)
	}
	<-stream.PublishAsyncComplete()
}

// A reader hands messages to as many workers as may be in flight.
func consume(stream nats.JetStreamContext, name string, bucket string, count int, inFlight int) {
	store, err := stream.CreateObjectStore(&nats.ObjectStoreConfig{Bucket: bucket})
	must(err)
	subscription, err := stream.PullSubscribe(name+".>", "go", nats.BindStream(name), nats.MaxAckPending(1024))
	must(err)
	messages := make(chan *nats.Msg, inFlight)
	var group sync.WaitGroup
	begin := time.Now()
	for worker := 0; worker < inFlight; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for message := range messages {
				meta, err := message.Metadata()
				must(err)
				_, err = store.PutBytes(fmt.Sprintf("message/%d", meta.Sequence.Stream), message.Data)
				must(err)
				must(message.Ack())
			}
		}()
	}
	for received := 0; received < count; {
		batch, err := subscription.Fetch(256, nats.MaxWait(5*time.Second))
		must(err)
		for _, message := range batch {
			messages <- message
		}
		received += len(batch)
	}
	close(messages)
	group.Wait()
	fmt.Printf("{\"per_second\": %.1f}\n", float64(count)/time.Since(begin).Seconds())
}

func main() {
	connection, err := nats.Connect(os.Args[1])
	must(err)
	stream, err := connection.JetStream(nats.PublishAsyncMaxPending(256), nats.MaxWait(time.Minute))
	must(err)
	switch os.Args[2] {
	case "fill":
		fill(stream, os.Args[3], number(os.Args[4]), number(os.Args[5]))
	default:
		consume(stream, os.Args[3], os.Args[4], number(os.Args[5]), number(os.Args[6]))
	}
}
