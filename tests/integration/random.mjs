// Choices that a seed repeats: Marsaglia's xorshift32, whose state is never 0.
export class Random {
  constructor(seed) {
    this.state = seed >>> 0 || 1;
    for (let i = 0; i < 16; i++) this.next();
  }
  next() {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }
  below(n) {
    return this.next() % n;
  }
  between([low, high]) {
    return low + this.below(high - low + 1);
  }
  percent(n) {
    return this.below(100) < n;
  }
  of(list) {
    return list[this.below(list.length)];
  }
}
