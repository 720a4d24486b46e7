import { describe, expect, it } from 'vitest'
import { TOOLS } from '../../../../src/cli/checks/machine.ts'
import { FOLDER_ANNOTATION } from '../../../../src/cli/cluster/run-pod.ts'
import { findTools } from '../../../../src/local/host/index.ts'
import { POD_FOLDER } from '../../../../src/local/objects/index.ts'

describe('what the command line knows of a mesh on one machine', () => {
  it('are the very programs that the supervisor looks for', () => {
    expect(Object.keys(TOOLS).sort()).toEqual(Object.keys(findTools('')).sort())
  })

  it("is the annotation of a pod's folder", () => {
    expect(FOLDER_ANNOTATION).toBe(POD_FOLDER)
  })
})
