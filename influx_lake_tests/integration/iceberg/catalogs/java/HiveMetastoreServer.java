import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hadoop.hive.metastore.HiveMetaStore.HMSHandler;
import org.apache.hadoop.hive.metastore.IHMSHandler;
import org.apache.hadoop.hive.metastore.RetryingHMSHandler;
import org.apache.hadoop.hive.metastore.api.ThriftHiveMetastore;
import org.apache.hadoop.hive.metastore.txn.TxnDbUtil;
import org.apache.hadoop.hive.ql.txn.AcidHouseKeeperService;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TServerSocket;

/**
 * A Hive Metastore on a free port of loopback, with Derby as its database.
 *
 * <p>Usage: HiveMetastoreServer DATABASE WAREHOUSE SECONDS, which is how long a lock is kept whose owner says nothing.
 * Prints its port, and ends when its standard input does, so that it never outlives the test that started it.
 */
public class HiveMetastoreServer {
  public static void main(String[] arguments) throws Exception {
    // Libraries greet on standard output, which is for the port.
    PrintStream answer = System.out;
    System.setOut(System.err);
    HiveConf conf = new HiveConf();
    conf.set("javax.jdo.option.ConnectionURL", "jdbc:derby:;databaseName=" + arguments[0] + ";create=true");
    conf.set("hive.metastore.warehouse.dir", arguments[1]);
    conf.set("datanucleus.schema.autoCreateAll", "true");
    conf.set("hive.metastore.schema.verification", "false");
    conf.set("hive.async.log.enabled", "false");
    // Locks live in tables that nobody makes otherwise.
    TxnDbUtil.setConfValues(conf);
    conf.set("hive.txn.timeout", arguments[2] + "s");
    conf.set("hive.timedout.txn.reaper.start", "1s");
    conf.set("hive.timedout.txn.reaper.interval", "1s");
    TxnDbUtil.prepDb(conf);
    IHMSHandler handler = RetryingHMSHandler.getProxy(conf, new HMSHandler("metastore", conf, false), false);
    ServerSocket socket = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    TThreadPoolServer server =
        new TThreadPoolServer(
            new TThreadPoolServer.Args(new TServerSocket(socket))
                .processor(new ThriftHiveMetastore.Processor<>(handler))
                .minWorkerThreads(4)
                .maxWorkerThreads(128));
    // Frees the locks of those who are gone.
    new AcidHouseKeeperService().start(conf);
    Thread serving = new Thread(server::serve, "metastore");
    serving.setDaemon(true);
    serving.start();
    answer.println(socket.getLocalPort());
    answer.flush();
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
