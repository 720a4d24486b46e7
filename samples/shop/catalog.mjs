// An old service that nobody has moved into the mesh yet.
import { serve } from './serve.mjs'

serve({
  '/items': (seen) => ({ catalog: { ...seen, items: ['teapot', 'cup', 'saucer'] } }),
})
