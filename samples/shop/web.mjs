// The shop's front: a checkout takes the cart, which takes the money.
import { ask, serve } from './serve.mjs'

serve({
  '/': (seen) => ({ ...seen, shop: 'open', try: '/checkout' }),
  '/checkout': async (seen) => ({ web: seen, ...(await ask('http://cart/total')) }),
})
