// What is in the basket, and that it has been paid.
import { ask, serve } from './serve.mjs'

const items = [
  { name: 'teapot', cents: 2400 },
  { name: 'cup', cents: 700 },
]
const cents = items.reduce((sum, item) => sum + item.cents, 0)

serve({
  '/total': async (seen) => ({ cart: { ...seen, items, cents }, ...(await ask('http://payments/pay')) }),
})
