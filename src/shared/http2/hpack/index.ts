export { HpackDecoder, type HpackDecoderLimits } from './decoder.ts'
export { HpackEncoder } from './encoder.ts'
export { HpackError, type HpackErrorKind } from './hpack-error.ts'
