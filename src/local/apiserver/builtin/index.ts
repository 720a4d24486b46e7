export { type BuiltinServices, installBuiltins } from './install.ts'
