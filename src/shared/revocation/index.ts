export { CrlFile, type CrlFileOptions } from './crl-file.ts'
export { RevocationWatch } from './revocation-watch.ts'
