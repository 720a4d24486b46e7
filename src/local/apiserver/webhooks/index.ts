export { Webhooks, type WebhooksSettings } from './webhooks.ts'
