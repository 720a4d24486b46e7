// Takes the money.
import { serve } from './serve.mjs'

serve({
  '/pay': (seen) => ({ payments: { ...seen, paid: true } }),
})
