import com.google.gson.JsonObject;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.JSON;
import org.openapitools.client.api.FeedbackApi;
import org.openapitools.client.model.Error;
import org.openapitools.client.model.Feedback;
import org.openapitools.client.model.StrategyUpdate;

/** Usage: Ask URL IDEMPOTENCY_KEY FEEDBACK; prints what the generated client makes of the answer. */
class Ask {
    public static void main(String[] args) throws Exception {
        FeedbackApi api = new FeedbackApi(new ApiClient().setBasePath(args[0]));
        JsonObject report = new JsonObject();
        try {
            StrategyUpdate update = api.takeFeedback(Feedback.fromJson(args[2]), args[1], null, null);
            Object snapshot = update.getStrategySnapshot().getActualInstance();
            report.add("update", JSON.getGson().toJsonTree(update));
            report.addProperty("decided_by", snapshot.getClass().getSimpleName());
        } catch (ApiException e) {
            report.add("error", JSON.getGson().toJsonTree(Error.fromJson(e.getResponseBody())));
        }
        System.out.println(report);
        System.exit(0); // otherwise okhttp's threads run for another minute
    }
}
