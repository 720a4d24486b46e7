export {
  type Account,
  type Caller,
  JwksAuthenticator,
  type JwksSettings,
  type TokenAuthenticator,
} from './authenticate.ts'
export { registerCaMetrics } from './ca-metrics.ts'
export { type CaParts, type CaSettings, certificateIssuer } from './issue.ts'
export { keepServing, type ServingNames, servingCertificate } from './serving-certificate.ts'
export { type ReviewSettings, TokenReviewer } from './token-review.ts'
