// Takes ids with Jedis and prints them: java Client.java HOST PORT NAME TOKEN. Fails where an answer is not what it should be.

import java.util.ArrayList;
import java.util.List;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.exceptions.JedisDataException;

public class Client {
    public static void main(String[] arguments) {
        for (RedisProtocol protocol : RedisProtocol.values()) {
            take(protocol, arguments).forEach(System.out::println);
        }
    }

    private static List<Long> take(RedisProtocol protocol, String[] arguments) {
        List<Long> ids = new ArrayList<>();
        try (Jedis jedis = connect(protocol, arguments, arguments[3])) {
            check(jedis.ping().equals("PONG"), "ping");
            for (int round = 0; round < 100; round++) {
                ids.add(jedis.incr("test"));
            }
            long last = jedis.incrBy("test", 50);
            for (long id = last - 49; id <= last; id++) {
                ids.add(id);
            }
            Pipeline pipeline = jedis.pipelined();
            List<Response<Long>> answers = new ArrayList<>();
            for (int round = 0; round < 100; round++) {
                answers.add(pipeline.incr("test"));
            }
            pipeline.sync();
            answers.forEach(answer -> ids.add(answer.get()));
            Transaction transaction = jedis.multi();
            for (int round = 0; round < 100; round++) {
                transaction.incr("test");
            }
            transaction.exec().forEach(id -> ids.add((Long) id));
            for (int index = 1; index < ids.size(); index++) {
                check(ids.get(index - 1) < ids.get(index), "out of order at " + index);
            }
            check(Long.parseLong(jedis.get("test")) == ids.get(ids.size() - 1), "newest");
            check(jedis.get("nosuch") == null, "nosuch");
            check(jedis.exists("test", "nosuch") == 1, "exists");
            refused("is refused: ids only go up", () -> jedis.set("test", "1"));
            refused("is refused: ids only go up", () -> jedis.decr("test"));
            refused("is refused: ids only go up", () -> jedis.del("test"));
            refused("unknown biz_tag", () -> jedis.incr("nosuch"));
            refused("from 1 to", () -> jedis.incrBy("test", 0));
        }
        refused("WRONGPASS", () -> {
            try (Jedis stranger = connect(protocol, arguments, "wrong")) {
                stranger.ping();
            }
        });
        return ids;
    }

    private static Jedis connect(RedisProtocol protocol, String[] arguments, String password) {
        HostAndPort address = new HostAndPort(arguments[0], Integer.parseInt(arguments[1]));
        return new Jedis(address, DefaultJedisClientConfig.builder()
                .user(arguments[2]).password(password).protocol(protocol).clientName("jedis").build());
    }

    private static void refused(String expected, Runnable call) {
        try {
            call.run();
        } catch (JedisDataException error) {
            check(error.getMessage().contains(expected), error.getMessage());
            return;
        }
        throw new AssertionError("answered, not refused: " + expected);
    }

    private static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }
}
