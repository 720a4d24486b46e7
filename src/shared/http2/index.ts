export { acceptH2, connectH2, type H2Options } from './connect.ts'
export { clientLimits, serverLimits } from './limits.ts'
export type {
  H2ClientConnection,
  H2Connection,
  H2Limits,
  H2RequestListener,
  H2Stream,
  H2StreamHandler,
  HeaderField,
  HeaderList,
} from './types.ts'
export { FRAME_HEADER_BYTES, H2ErrorCode } from './types.ts'
