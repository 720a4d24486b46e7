// node request.mjs URL [COUNT]: sends requests one after the other and prints each answer with its time.
const [url, count = '1'] = process.argv.slice(2)
if (url === undefined) {
  console.error('usage: node request.mjs URL [COUNT]')
  process.exit(2)
}

for (let i = 0; i < Number(count); i++) {
  const startedMs = performance.now()
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    const text = await response.text()
    console.log(`${response.status} in ${(performance.now() - startedMs).toFixed(1)} ms  ${text.trim()}`)
    if (!response.ok) process.exitCode = 1
  } catch (error) {
    console.log(`failed in ${(performance.now() - startedMs).toFixed(1)} ms  ${error.cause?.message ?? error.message}`)
    process.exitCode = 1
  }
}
