export { choice, collect, ofKind, withNamespaceFlag, withOutputFlag, withTargetFlags } from './flags.ts'
