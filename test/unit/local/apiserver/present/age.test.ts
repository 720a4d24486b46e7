import { describe, expect, it } from 'vitest'
import { ageSince, humanAge } from '../../../../../src/local/apiserver/present/index.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe('an age', () => {
  it.each<[number, string]>([
    [-5 * SECOND, '<invalid>'],
    [-500, '0s'],
    [0, '0s'],
    [119 * SECOND, '119s'],
    [2 * MINUTE, '2m'],
    [9 * MINUTE + 59 * SECOND, '9m59s'],
    [10 * MINUTE + 30 * SECOND, '10m'],
    [179 * MINUTE, '179m'],
    [3 * HOUR + 5 * MINUTE, '3h5m'],
    [8 * HOUR + 5 * MINUTE, '8h'],
    [47 * HOUR, '47h'],
    [2 * DAY, '2d'],
    [7 * DAY + 23 * HOUR, '7d23h'],
    [8 * DAY + HOUR, '8d'],
    [729 * DAY, '729d'],
    [2 * 365 * DAY + DAY, '2y1d'],
    [9 * 365 * DAY, '9y'],
  ])('of %i ms is %s', (ageMs, text) => {
    expect(humanAge(ageMs)).toBe(text)
  })

  it('of what has no time is not known', () => {
    expect([undefined, null, 'x'].map((time) => ageSince(time, 0))).toEqual(Array(3).fill('<unknown>'))
  })
})
