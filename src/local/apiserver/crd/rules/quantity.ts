/** Powers of ten of the decimal suffixes; n, u and m are below one. */
const DECIMAL: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
])
/** Powers of two of the binary suffixes. */
const BINARY: ReadonlyMap<string, number> = new Map([
  ['Ki', 10],
  ['Mi', 20],
  ['Gi', 30],
  ['Ti', 40],
  ['Pi', 50],
  ['Ei', 60],
])
const QUANTITY = /^([+-]?)(\d{0,30})(?:\.(\d{0,9}))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/
const NANO = 1_000_000_000n

/** A Kubernetes quantity (`100m`, `1.5Gi`, `2e3`), exact to 10⁻⁹. */
export class Quantity {
  /** In billionths. */
  readonly nano: bigint

  constructor(nano: bigint) {
    this.nano = nano
  }

  get isInteger(): boolean {
    return this.nano % NANO === 0n
  }

  /** The whole part; meant for whole quantities. */
  get integer(): bigint {
    return this.nano / NANO
  }

  get approximate(): number {
    return Number(this.nano) / Number(NANO)
  }
}

export function parseQuantity(text: string): Quantity | undefined {
  const match = QUANTITY.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match
  if (whole === '' && fraction === '') return undefined
  const mantissa = BigInt(whole + fraction.padEnd(9, '0')) * (sign === '-' ? -1n : 1n)
  const bits = BINARY.get(suffix)
  if (bits !== undefined) return new Quantity(mantissa << BigInt(bits))
  const power = exponent === undefined ? (DECIMAL.get(suffix) ?? 0) : Number(exponent)
  return new Quantity(power >= 0 ? mantissa * 10n ** BigInt(power) : mantissa / 10n ** BigInt(-power))
}
