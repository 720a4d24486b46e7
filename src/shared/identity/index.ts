export {
  type CertificateAuthority,
  type FetchCertificate,
  fetchFrom,
  type IdentityMaterial,
  identityOf,
} from './ca-client.ts'
export { CertificateManager, type CertificateManagerSettings, type IdentityStatus } from './certificate-manager.ts'
export { followRoots } from './follow-roots.ts'
export { RootWatch, type RootWatchOptions } from './root-watch.ts'
