// What was worked out and may be wanted again: the newest that was asked for, up to a weight.

export class Kept<K, V> {
  private readonly all = new Map<K, { value: V; weight: number }>();
  private sum = 0;

  /** most: of all weights together; whatever was asked for last stays even if it is heavier. gone is told what goes. */
  constructor(
    private readonly most: number,
    private readonly gone: (value: V) => void = () => {},
  ) {}

  /** What is kept for a key, made now if it is not. */
  of(key: K, weight: number, make: () => V): V {
    const have = this.all.get(key) ?? { value: make(), weight };
    if (!this.all.delete(key)) this.sum += have.weight;
    this.all.set(key, have);
    while (this.sum > this.most && this.all.size > 1) this.drop();
    return have.value;
  }

  has(key: K): boolean {
    return this.all.has(key);
  }

  /** Whether something would find room without anything going. */
  fits(weight: number): boolean {
    return this.sum + weight <= this.most;
  }

  private drop(): void {
    const [key, { value, weight }] = this.all.entries().next().value!;
    this.all.delete(key);
    this.sum -= weight;
    this.gone(value);
  }
}
