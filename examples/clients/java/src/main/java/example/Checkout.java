package example;

import com.google.gson.Gson;
import com.google.protobuf.util.JsonFormat;
import dealwright.v1.CartOuterClass.Cart;
import dealwright.v1.EvaluationServiceGrpc;
import dealwright.v1.EvaluationServiceGrpc.EvaluationServiceBlockingStub;
import dealwright.v1.EvaluationServiceOuterClass.EvaluateRequest;
import dealwright.v1.RedemptionOuterClass.Redemption;
import dealwright.v1.RedemptionServiceGrpc;
import dealwright.v1.RedemptionServiceGrpc.RedemptionServiceBlockingStub;
import dealwright.v1.RedemptionServiceOuterClass.CommitRequest;
import dealwright.v1.RedemptionServiceOuterClass.ReserveRequest;
import dealwright.v1.ResultOuterClass.Application;
import dealwright.v1.ResultOuterClass.Result;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Prices carts, reserves what their promotions need, and commits. */
final class Checkout {
  /** Of one call, with everything that is tried again inside it. */
  private static final long DEADLINE_SECONDS = 10;

  private static final Gson JSON = new Gson();

  private final EvaluationServiceBlockingStub evaluation;
  private final RedemptionServiceBlockingStub redemptions;

  private Checkout(Channel channel, String token) {
    Metadata headers = new Metadata();
    headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    var authorized = MetadataUtils.newAttachHeadersInterceptor(headers);
    evaluation = EvaluationServiceGrpc.newBlockingStub(channel).withInterceptors(authorized);
    redemptions = RedemptionServiceGrpc.newBlockingStub(channel).withInterceptors(authorized);
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length < 2) {
      System.err.println("usage: Checkout TILL CART.json...");
      System.exit(2);
    }
    ManagedChannel channel = connect(System.getenv("DEALWRIGHT_ADDRESS"));
    try {
      Checkout checkout = new Checkout(channel, System.getenv("DEALWRIGHT_TOKEN"));
      for (String path : Arrays.asList(arguments).subList(1, arguments.length)) {
        EvaluateRequest.Builder request = EvaluateRequest.newBuilder();
        JsonFormat.parser().merge(Files.readString(Path.of(path)), request);
        System.out.println(JSON.toJson(checkout.sell(arguments[0], request.build())));
      }
    } finally {
      channel.shutdown().awaitTermination(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }
  }

  /** The one connection that all calls share. It is opened with the first call. */
  private static ManagedChannel connect(String address) throws IOException {
    String retries = Files.readString(Path.of("../service_config.json"));
    boolean local = address.matches("(localhost|127\\.[\\d.]+|\\[::1]):\\d+");
    ChannelCredentials credentials =
        local ? InsecureChannelCredentials.create() : TlsChannelCredentials.create();
    return Grpc.newChannelBuilder(address, credentials)
        .defaultServiceConfig(JSON.<Map<String, ?>>fromJson(retries, Map.class))
        .build();
  }

  /** Takes one cart through the till; what is printed of it, with 64-bit numbers as text. */
  private Map<String, Object> sell(String till, EvaluateRequest request) {
    Cart cart = request.getCart();
    Result priced = price(request);
    // An order has one reservation, so its keys follow from it: a checkout that lost an answer, or was started again,
    // sends the same keys, and is answered what was answered the first time.
    String order = till + "-" + cart.getId();
    Redemption redemption = commit(order, reserve(order, cart).getRedemptionId());
    Map<String, Object> printed = new LinkedHashMap<>();
    printed.put("cart", cart.getId());
    printed.put("payable_minor", Long.toString(priced.getTotals().getPayableMinor()));
    printed.put("discount_minor", Long.toString(priced.getTotals().getDiscountMinor()));
    printed.put("promotions", priced.getApplicationsList().stream().map(Application::getPromotionId).toList());
    printed.put("redemption_id", redemption.getRedemptionId());
    printed.put("state", redemption.getState().name());
    printed.put("paid_minor", Long.toString(redemption.getPayableMinor()));
    return printed;
  }

  /** Asks what a cart costs. Nothing is held: a checkout does it after each scan. */
  private Result price(EvaluateRequest request) {
    return evaluation.withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS).evaluate(request).getResult();
  }

  /** Holds what the promotions of an order need while the customer pays. */
  private Redemption reserve(String order, Cart cart) {
    ReserveRequest request =
        ReserveRequest.newBuilder()
            .setIdempotencyKey(order + "/reserve")
            .setOrderId(order)
            .setCart(cart)
            .build();
    return redemptions.withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS).reserve(request).getRedemption();
  }

  /** Makes the reservation final when the customer has paid. */
  private Redemption commit(String order, String redemptionId) {
    CommitRequest request =
        CommitRequest.newBuilder()
            .setIdempotencyKey(order + "/commit")
            .setRedemptionId(redemptionId)
            .build();
    return redemptions.withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS).commit(request).getRedemption();
  }
}
