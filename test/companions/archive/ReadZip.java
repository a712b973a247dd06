import java.io.OutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Reads a ZIP from standard input as a stream; prints names, sizes and contents, or only sizes. */
class ReadZip {
    public static void main(String[] arguments) throws Exception {
        boolean sizesAlone = arguments.length > 0;
        OutputStream out = System.out;
        try (ZipInputStream zip = new ZipInputStream(System.in)) {
            for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                out.write((entry.getName() + "\n").getBytes("UTF-8"));
                if (sizesAlone) {
                    long size = zip.transferTo(OutputStream.nullOutputStream());
                    out.write((size + "\n").getBytes("UTF-8"));
                } else {
                    byte[] content = zip.readAllBytes();
                    out.write((content.length + "\n").getBytes("UTF-8"));
                    out.write(content);
                }
            }
        }
        out.flush();
    }
}
