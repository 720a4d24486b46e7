export { withDefaults } from './defaults.ts'
export { duplicate, forbidden, invalid, notSupported, required } from './field-problem.ts'
export { type OnUnknown, prune, unknownFields } from './prune.ts'
export { validateChange, validateValue } from './validate.ts'
