import { expect, it } from 'vitest'
import { countAnswer, firstCount, type ProbeResult } from '../../../../src/local/kubelet/probe-count.ts'

/** `+` a success, `-` a failure; then the result after each answer, by its first letter. */
it.each<[ProbeResult, number, number, string, string]>([
  ['failure', 1, 3, '-+---+', 'fsssfs'],
  ['failure', 2, 1, '+-++-', 'fffsf'],
  ['success', 1, 2, '--+-', 'sfss'],
  ['success', 1, 3, '--+--+---', 'ssssssssf'],
  ['unknown', 1, 2, '-+', 'us'],
  ['unknown', 1, 2, '--', 'uf'],
  ['unknown', 2, 2, '+-+-', 'uuuu'],
])(
  'from %s, with %i successes and %i failures needed, %s comes to %s',
  (first, successThreshold, failureThreshold, answers, results) => {
    let count = firstCount(first)
    const seen = [...answers].map((answer) => {
      count = countAnswer(count, answer === '+', { successThreshold, failureThreshold })
      return count.result.charAt(0)
    })
    expect(seen.join('')).toBe(results)
  },
)
