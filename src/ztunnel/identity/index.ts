export { type CertificateAuthority, type FetchCertificate, fetchFrom } from './ca-client.ts'
export { CertificateManager, type CertificateManagerSettings, type IdentityStatus } from './certificate-manager.ts'
