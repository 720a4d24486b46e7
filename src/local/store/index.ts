export { openStore, type StoreSettings, storeDefaults } from './store.ts'
export type * from './types.ts'
