// Java's com.sun.net.httpserver, which writes head and body separately: java Server PORT
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Executors;

public class Server {
    static final String[] NAMES = {
        "version", "source/version.py", "settings/version.toml", "templates/version.html"
    };

    public static void main(String[] arguments) throws Exception {
        StringBuilder found = new StringBuilder();
        for (String name : NAMES) {
            try {
                found.append(Files.readString(Path.of(name))).append(" ");
            } catch (NoSuchFileException missing) {
                // The editor has not saved it yet.
            }
        }
        byte[] versions = found.toString().getBytes();
        byte[] large = new byte[200_000];
        Arrays.fill(large, (byte) 'x');
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestURI().getPath().equals("/large") ? large : versions;
            exchange.getResponseHeaders().set("Content-Type", "text/plain");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
