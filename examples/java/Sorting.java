import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Makes and sorts many short-lived lists: work for a collector and a compiler. */
public final class Sorting {
    public static void main(String[] arguments) {
        long seed = 42, sum = 0;
        for (int round = 0; round < 120; round++) {
            List<Long> numbers = new ArrayList<>();
            for (int i = 0; i < 5_000; i++) {
                seed = seed * 6364136223846793005L + 1442695040888963407L;
                numbers.add(seed >>> 33);
            }
            Collections.sort(numbers);
            sum += numbers.get(round);
        }
        System.out.println("sum=" + sum);
    }
}
