export { WEBHOOK_GROUP, Webhooks, type WebhooksSettings } from './webhooks.ts'
