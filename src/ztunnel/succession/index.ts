export { findSuccessor, type Successor } from './bequest.ts'
export { decodeEstate, type Estate, encodeEstate } from './estate.ts'
export { becomeHeir, type Heir, type HeirOptions } from './heir.ts'
