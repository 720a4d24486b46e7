export { AdmissionServer, type AdmissionServerSettings } from './admission-server.ts'
export { type AdmissionMode, decideAdmission, type Verdict } from './decide.ts'
export { type WebhookPlace, WebhookRegistration, type WebhookRegistrationParts } from './webhook-registration.ts'
