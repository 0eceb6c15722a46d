// What tests print about what they have measured.
export function quantile(sorted, q) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] : NaN;
}

export const ms = (value) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

// "1200 reads: p50 0.80 ms, p99 ..., longest ..."
export function summary(what, times) {
  const sorted = [...times].sort((a, b) => a - b);
  const parts = [["p50", 0.5], ["p99", 0.99], ["p99.9", 0.999], ["longest", 1]].map(([name, q]) => `${name} ${ms(quantile(sorted, q))}`);
  return `${sorted.length} ${what}: ${parts.join(", ")}`;
}

export const print = (line) => console.log(`# ${line}`);
