export { choice, collect, ofKind, withNamespace, withOutput, withTarget } from './flags.ts'
