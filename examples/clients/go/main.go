// Command checkout prices carts, reserves what their promotions need, and commits.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	pb "dealwright.example/checkout/gen/dealwright/v1"
)

//go:generate ../../../.venv/bin/buf generate

// deadline of one call, with everything that is tried again inside it.
const deadline = 10 * time.Second

// receipt is what is printed for each cart. Amounts are whole minor units, as text like all 64-bit numbers in JSON.
type receipt struct {
	Cart         string   `json:"cart"`
	Payable      int64    `json:"payable_minor,string"`
	Discount     int64    `json:"discount_minor,string"`
	Promotions   []string `json:"promotions"`
	RedemptionID string   `json:"redemption_id"`
	State        string   `json:"state"`
	Paid         int64    `json:"paid_minor,string"`
}

type checkout struct {
	evaluation  pb.EvaluationServiceClient
	redemptions pb.RedemptionServiceClient
	token       string
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: checkout TILL CART.json...")
	}
	connection, err := connect(os.Getenv("DEALWRIGHT_ADDRESS"))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	shop := checkout{
		pb.NewEvaluationServiceClient(connection),
		pb.NewRedemptionServiceClient(connection),
		os.Getenv("DEALWRIGHT_TOKEN"),
	}
	for _, path := range os.Args[2:] {
		printed, err := shop.sell(os.Args[1], path)
		if err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(printed); err != nil {
			log.Fatal(err)
		}
	}
}

// connect makes the one connection that all calls share. It is opened with the first call.
func connect(address string) (*grpc.ClientConn, error) {
	retries, err := os.ReadFile("../service_config.json")
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("DEALWRIGHT_ADDRESS: %w", err)
	}
	transport := credentials.NewTLS(nil)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		transport = insecure.NewCredentials()
	}
	return grpc.NewClient(
		address,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(string(retries)),
	)
}

// sell takes one cart through the till.
func (shop checkout) sell(till, path string) (*receipt, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	request := &pb.EvaluateRequest{}
	if err := protojson.Unmarshal(content, request); err != nil {
		return nil, err
	}
	priced, err := shop.price(request)
	if err != nil {
		return nil, err
	}
	// An order has one reservation, so its keys follow from it: a checkout that lost an answer, or was started again,
	// sends the same keys, and is answered what was answered the first time.
	order := till + "-" + request.Cart.Id
	redemption, err := shop.reserve(order, request.Cart)
	if err != nil {
		return nil, err
	}
	committed, err := shop.commit(order, redemption.RedemptionId)
	if err != nil {
		return nil, err
	}
	printed := &receipt{
		Cart:         request.Cart.Id,
		Payable:      priced.Totals.PayableMinor,
		Discount:     priced.Totals.DiscountMinor,
		Promotions:   []string{},
		RedemptionID: committed.RedemptionId,
		State:        committed.State.String(),
		Paid:         committed.PayableMinor,
	}
	for _, applied := range priced.Applications {
		printed.Promotions = append(printed.Promotions, applied.PromotionId)
	}
	return printed, nil
}

// price asks what a cart costs. Nothing is held: a checkout does it after each scan.
func (shop checkout) price(request *pb.EvaluateRequest) (*pb.Result, error) {
	ctx, cancel := shop.call()
	defer cancel()
	answer, err := shop.evaluation.Evaluate(ctx, request)
	return answer.GetResult(), err
}

// reserve holds what the promotions of an order need while the customer pays.
func (shop checkout) reserve(order string, cart *pb.Cart) (*pb.Redemption, error) {
	ctx, cancel := shop.call()
	defer cancel()
	answer, err := shop.redemptions.Reserve(ctx, &pb.ReserveRequest{
		IdempotencyKey: order + "/reserve",
		OrderId:        order,
		Cart:           cart,
	})
	return answer.GetRedemption(), err
}

// commit makes the reservation final when the customer has paid.
func (shop checkout) commit(order, redemptionID string) (*pb.Redemption, error) {
	ctx, cancel := shop.call()
	defer cancel()
	answer, err := shop.redemptions.Commit(ctx, &pb.CommitRequest{
		IdempotencyKey: order + "/commit",
		RedemptionId:   redemptionID,
	})
	return answer.GetRedemption(), err
}

// call is the context of one call: its deadline, and who calls.
func (shop checkout) call() (context.Context, context.CancelFunc) {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+shop.token)
	return context.WithTimeout(ctx, deadline)
}
