// `node ask.mjs URL [COUNT] [NAME: VALUE …]`: asks COUNT times and says how often each version and status answered, and how
// long it took. For trying out rules of traffic.
const [url = 'http://catalog:8080/', count = '20', ...fields] = process.argv.slice(2)
const headers = Object.fromEntries(fields.map((field) => field.split(': ')))
const answers = new Map()
const times = []

for (let i = 0; i < Number(count); i++) {
  const since = performance.now()
  const answer = await fetch(url, { headers, redirect: 'manual' })
    .then(async (response) => `${response.status} ${versionIn(await response.text())}`.trim())
    .catch((error) => error.cause?.code ?? error.message)
  times.push(performance.now() - since)
  answers.set(answer, (answers.get(answer) ?? 0) + 1)
}
for (const [answer, often] of answers) console.log(`${String(often).padStart(5)} x ${answer}`)
console.log(
  `      median ${Math.round(times.sort((a, b) => a - b)[times.length >> 1])} ms, longest ${Math.round(times.at(-1))} ms`,
)

function versionIn(text) {
  try {
    return JSON.parse(text).version ?? ''
  } catch {
    return text
  }
}
