// nats.go's object store, at the same work.
// usage: peer URL BUCKET put|get|list SIZE IN_FLIGHT COUNT
package main

import (
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

func work(store nats.ObjectStore, kind string, payload []byte, index int) error {
	switch kind {
	case "put":
		_, err := store.PutBytes(fmt.Sprintf("go/%06d", index), payload)
		return err
	case "get":
		data, err := store.GetBytes(fmt.Sprintf("key/%06d", index%1000))
		if err == nil && len(data) != len(payload) {
			err = fmt.Errorf("%d bytes", len(data))
		}
		return err
	default:
		// What a program does that wants the keys below a prefix.
		infos, err := store.List()
		found := 0
		for _, info := range infos {
			if strings.HasPrefix(info.Name, "list/042/") {
				found++
			}
		}
		if err == nil && found != len(payload) {
			err = fmt.Errorf("%d keys", found)
		}
		return err
	}
}

func main() {
	kind, size, inFlight, count := os.Args[3], number(os.Args[4]), number(os.Args[5]), number(os.Args[6])
	connection, err := nats.Connect(os.Args[1])
	must(err)
	stream, err := connection.JetStream(nats.MaxWait(5 * time.Minute))
	must(err)
	store, err := stream.ObjectStore(os.Args[2])
	must(err)
	payload := make([]byte, size)
	latencies := make([]float64, count)
	var next int64 = -1
	var group sync.WaitGroup
	begin := time.Now()
	for worker := 0; worker < inFlight; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				index := int(atomic.AddInt64(&next, 1))
				if index >= count {
					return
				}
				start := time.Now()
				must(work(store, kind, payload, index))
				latencies[index] = float64(time.Since(start).Nanoseconds()) / 1e3
			}
		}()
	}
	group.Wait()
	seconds := time.Since(begin).Seconds()
	sort.Float64s(latencies)
	fmt.Printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"per_second\": %.3f}\n",
		latencies[count/2], latencies[count*99/100], float64(count)/seconds)
}
