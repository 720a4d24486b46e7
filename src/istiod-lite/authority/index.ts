export { type CaStatus, type CertificateStatus, caStatus } from './ca-status.ts'
export type { CaStore, HeldDocument, Texts } from './ca-store.ts'
export { registerAuthorityMetrics, warnOfExpiry } from './expiry.ts'
export { FolderStore } from './folder-store.ts'
export {
  type Authority,
  AuthorityKeeper,
  type KeeperParts,
  type KeeperSettings,
  type KeeperView,
  type TrustNotice,
} from './keeper.ts'
export type { IssuedLeaf } from './leaf-books.ts'
export { pluggedInFolder, pluggedInSecret, type ReadPluggedIn } from './plugged-in.ts'
export { SecretStore } from './secret-store.ts'
export { signChecked } from './sign.ts'
export { keepTrustFiles } from './trust-files.ts'
