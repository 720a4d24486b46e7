export { createStreams } from './stream-handler.ts'
