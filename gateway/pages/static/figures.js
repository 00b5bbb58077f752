/** Computes what happened in the last minutes from counters that only grow. */

const WINDOW_MS = 600_000; // Ten minutes.

/** Keeps samples of a counter, and says what was counted in ten minutes; before it has them, since the start. */
export class Window {
  #samples = [];

  /** Add the counter of now: `{ count, sum, buckets }`. */
  add(counter, now = Date.now()) {
    const last = this.#samples.at(-1)?.counter;
    if (last && counter.count < last.count) this.#samples = []; // The worker was started again.
    this.#samples.push({ at: now, counter });
    while (this.#samples[1]?.at <= now - WINDOW_MS) this.#samples.shift();
  }

  /** The mean of what was counted; null where nothing was. */
  get mean() {
    const [first, last] = this.#ends();
    const count = last.count - first.count;
    return count > 0 ? (last.sum - first.sum) / count : null;
  }

  /** The value below which this share of what was counted lies, between the bounds of its bucket. */
  quantile(share) {
    const [first, last] = this.#ends();
    const buckets = Object.entries(last.buckets)
      .map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count - (first.buckets[bound] ?? 0)])
      .sort(([a], [b]) => a - b);
    const wanted = share * (buckets.at(-1)?.[1] ?? 0);
    if (!wanted) return null;
    let [low, before] = [0, 0];
    for (const [bound, count] of buckets) {
      if (count >= wanted) return bound === Infinity ? low : low + ((bound - low) * (wanted - before)) / (count - before);
      [low, before] = [bound, count];
    }
    return low;
  }

  #ends() {
    const none = { count: 0, sum: 0, buckets: {} };
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const isLong = last && last.at - first.at >= WINDOW_MS;
    return [isLong ? first.counter : none, last?.counter ?? none];
  }
}

/** The sum of counters, such as of one stage on all workers. */
export function together(counters) {
  const all = { count: 0, sum: 0, buckets: {} };
  for (const { count, sum, buckets } of counters) {
    all.count += count;
    all.sum += sum;
    for (const [bound, number] of Object.entries(buckets)) all.buckets[bound] = (all.buckets[bound] ?? 0) + number;
  }
  return all;
}
