import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.provider.EventFormatProvider;
import io.cloudevents.http.HttpMessageFactory;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;

/** A client of the function: see ../program.py for the tasks on stdin and the results on stdout. */
class Client {
    static final String JSON_FORMAT = "application/cloudevents+json";
    static final HttpClient HTTP = HttpClient.newHttpClient(); // offers HTTP/2 by an upgrade
    static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode task = MAPPER.readTree(line);
            System.out.println(task.get("client").asText().equals("sdk") ? bySdk(task) : byHttpClient(task));
        }
    }

    static JsonNode byHttpClient(JsonNode task) throws Exception {
        byte[] body = task.get("body").asText().getBytes(StandardCharsets.UTF_8);
        BodyPublisher publisher = task.get("chunked").asBoolean()
                ? BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                : BodyPublishers.ofByteArray(body);
        HttpRequest.Builder request = request(task).POST(publisher);
        task.get("headers").fields().forEachRemaining(one -> request.header(one.getKey(), one.getValue().asText()));
        return result(HTTP.send(request.build(), BodyHandlers.ofByteArray()));
    }

    static JsonNode bySdk(JsonNode task) throws Exception {
        byte[] document = MAPPER.writeValueAsBytes(task.get("event"));
        CloudEvent event = EventFormatProvider.getInstance().resolveFormat(JSON_FORMAT).deserialize(document);
        HttpRequest.Builder request = request(task);
        var writer = HttpMessageFactory.createWriter(
                request::header, body -> request.POST(BodyPublishers.ofByteArray(body)));
        if (task.get("mode").asText().equals("structured")) {
            writer.writeStructured(event, JSON_FORMAT);
        } else {
            writer.writeBinary(event);
        }
        HttpResponse<byte[]> answer = HTTP.send(request.build(), BodyHandlers.ofByteArray());
        ObjectNode result = result(answer);
        if (answer.statusCode() == 200) {
            CloudEvent reply = HttpMessageFactory
                    .createReader(
                            add -> answer.headers().map().forEach((name, values) -> add.accept(name, values.get(0))),
                            answer.body())
                    .toEvent();
            byte[] written = EventFormatProvider.getInstance().resolveFormat(JSON_FORMAT).serialize(reply);
            result.set("event", MAPPER.readTree(written));
        }
        return result;
    }

    static HttpRequest.Builder request(JsonNode task) {
        return HttpRequest.newBuilder(URI.create(task.get("url").asText()));
    }

    static ObjectNode result(HttpResponse<byte[]> answer) {
        ObjectNode headers = MAPPER.createObjectNode();
        answer.headers().map().forEach((name, values) -> headers.put(name.toLowerCase(), values.get(0)));
        ObjectNode result = MAPPER.createObjectNode().put("status", answer.statusCode());
        result.set("headers", headers);
        return result.put("body", new String(answer.body(), StandardCharsets.UTF_8));
    }
}
