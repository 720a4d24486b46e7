import { describe, expect, it } from 'vitest'
import { FOLDER_ANNOTATION } from '../../../../src/cli/cluster/run-pod.ts'
import { POD_FOLDER } from '../../../../src/local/objects/index.ts'

describe('what the command line knows of a mesh on one machine', () => {
  it("is the annotation of a pod's folder", () => {
    expect(FOLDER_ANNOTATION).toBe(POD_FOLDER)
  })
})
