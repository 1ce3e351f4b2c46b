import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.ValidationException;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.CatalogHandlers;
import org.apache.iceberg.rest.RESTSerializers;
import org.apache.iceberg.rest.RESTUtil;
import org.apache.iceberg.rest.requests.CreateNamespaceRequest;
import org.apache.iceberg.rest.requests.CreateTableRequest;
import org.apache.iceberg.rest.requests.UpdateTableRequest;
import org.apache.iceberg.rest.responses.ConfigResponse;
import org.apache.iceberg.rest.responses.ErrorResponse;
import org.apache.iceberg.shaded.com.fasterxml.jackson.annotation.JsonAutoDetect;
import org.apache.iceberg.shaded.com.fasterxml.jackson.annotation.PropertyAccessor;
import org.apache.iceberg.shaded.com.fasterxml.jackson.databind.DeserializationFeature;
import org.apache.iceberg.shaded.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.iceberg.shaded.com.fasterxml.jackson.databind.PropertyNamingStrategies;

/**
 * Apache Iceberg's own REST catalog logic (CatalogHandlers) over its JDBC catalog, on a free port of loopback.
 *
 * <p>Usage: IcebergRestServer NAME=VALUE... with the catalog's properties. Prints its port, and ends when its standard
 * input does, so that it never outlives the test that started it.
 */
public class IcebergRestServer {
  private static final Map<Class<? extends Exception>, Integer> STATUS =
      Map.of(
          IllegalArgumentException.class, 400,
          ValidationException.class, 400,
          NoSuchNamespaceException.class, 404,
          NoSuchTableException.class, 404,
          AlreadyExistsException.class, 409,
          CommitFailedException.class, 409,
          NamespaceNotEmptyException.class, 409);

  private final JdbcCatalog catalog = new JdbcCatalog();
  private final ObjectMapper json = new ObjectMapper();

  private IcebergRestServer(Map<String, String> properties) {
    catalog.initialize("behind", properties);
    json.setVisibility(PropertyAccessor.FIELD, JsonAutoDetect.Visibility.ANY);
    json.configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    json.setPropertyNamingStrategy(new PropertyNamingStrategies.KebabCaseStrategy());
    RESTSerializers.registerAll(json);
  }

  public static void main(String[] arguments) throws IOException {
    Map<String, String> properties = new HashMap<>();
    for (String argument : arguments) {
      String[] parts = argument.split("=", 2);
      properties.put(parts[0], parts[1]);
    }
    IcebergRestServer catalog = new IcebergRestServer(properties);
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/v1/", catalog::answer);
    server.setExecutor(Executors.newCachedThreadPool());
    server.start();
    System.out.println(server.getAddress().getPort());
    while (System.in.read() >= 0) {}
    System.exit(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    int status;
    Object answer;
    try {
      byte[] body = exchange.getRequestBody().readAllBytes();
      // Split before it is decoded: names may hold slashes.
      String path = exchange.getRequestURI().getRawPath().substring("/v1/".length());
      answer = handle(exchange.getRequestMethod(), path.split("/"), body);
      status = answer == null ? 204 : 200;
    } catch (Exception error) {
      status = STATUS.getOrDefault(error.getClass(), 500);
      String type = error.getClass().getSimpleName();
      String message = String.valueOf(error.getMessage());
      answer = ErrorResponse.builder().responseCode(status).withType(type).withMessage(message).build();
    }
    boolean bare = answer == null || exchange.getRequestMethod().equals("HEAD");
    byte[] encoded = bare ? new byte[0] : json.writeValueAsBytes(answer);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, bare ? -1 : encoded.length);
    if (!bare) {
      exchange.getResponseBody().write(encoded);
    }
    exchange.close();
  }

  private Object handle(String method, String[] path, byte[] body) throws IOException {
    String route = method + " " + path[0] + (path.length > 2 ? " " + path[2] : "") + " " + path.length;
    Namespace namespace = path.length > 1 ? RESTUtil.decodeNamespace(path[1]) : Namespace.empty();
    TableIdentifier table = path.length > 3 ? TableIdentifier.of(namespace, decoded(path[3])) : null;
    switch (route) {
      case "GET config 1":
        return ConfigResponse.builder().build();
      case "GET namespaces 1":
        return CatalogHandlers.listNamespaces(catalog, namespace);
      case "POST namespaces 1":
        return CatalogHandlers.createNamespace(catalog, json.readValue(body, CreateNamespaceRequest.class));
      case "GET namespaces 2":
        return CatalogHandlers.loadNamespace(catalog, namespace);
      case "HEAD namespaces 2":
        CatalogHandlers.namespaceExists(catalog, namespace);
        return null;
      case "DELETE namespaces 2":
        CatalogHandlers.dropNamespace(catalog, namespace);
        return null;
      case "GET namespaces tables 3":
        return CatalogHandlers.listTables(catalog, namespace);
      case "POST namespaces tables 3":
        CreateTableRequest request = json.readValue(body, CreateTableRequest.class);
        return request.stageCreate()
            ? CatalogHandlers.stageTableCreate(catalog, namespace, request)
            : CatalogHandlers.createTable(catalog, namespace, request);
      case "GET namespaces tables 4":
        return CatalogHandlers.loadTable(catalog, table);
      case "HEAD namespaces tables 4":
        CatalogHandlers.tableExists(catalog, table);
        return null;
      case "POST namespaces tables 4":
        return CatalogHandlers.updateTable(catalog, table, json.readValue(body, UpdateTableRequest.class));
      case "DELETE namespaces tables 4":
        CatalogHandlers.dropTable(catalog, table);
        return null;
      default:
        throw new IllegalArgumentException("no such route: " + method + " " + Arrays.toString(path));
    }
  }

  private static String decoded(String part) {
    return URLDecoder.decode(part, StandardCharsets.UTF_8);
  }
}
