import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Groups boxed numbers by a key and keeps the latest tables alive: work for a collector. */
public final class Grouping {
    private static final int ROUNDS = 24, KEPT = 8, NUMBERS = 250_000, KEYS = 20_000;

    public static void main(String[] arguments) {
        long seed = 42, sum = 0;
        List<Map<Long, List<Long>>> tables = new ArrayList<>();
        for (int round = 0; round < ROUNDS; round++) {
            Map<Long, List<Long>> table = new HashMap<>();
            for (int i = 0; i < NUMBERS; i++) {
                seed = seed * 6364136223846793005L + 1442695040888963407L;
                table.computeIfAbsent((seed >>> 33) % KEYS, key -> new ArrayList<>()).add(seed >>> 20);
            }
            tables.add(table);
            if (tables.size() > KEPT) {
                tables.remove(0);
            }
            for (List<Long> group : table.values()) {
                sum += group.get(group.size() / 2);
            }
        }
        System.out.println("sum=" + sum);
    }
}
