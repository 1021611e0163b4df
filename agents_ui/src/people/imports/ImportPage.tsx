/** One import: a step for each address. The server has every decision, so that any step can be opened again. */
import { Skeleton, Title } from '@mantine/core'
import { Link, Navigate, useParams } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { Failed } from '../../ui/Problem'
import frame from '../People.module.css'
import { TabHead } from '../TabHead'
import { ConsentStep } from './ConsentStep'
import { mayOpen, type Step, stepOf, STEPS, stepsOf, useImport } from './data'
import { FileStep } from './FileStep'
import classes from './Imports.module.css'
import { MatchStep } from './MatchStep'
import { ReadStep } from './ReadStep'
import { RehearsalStep } from './RehearsalStep'
import { ResultStep } from './ResultStep'
import { RunStep } from './RunStep'

const PARTS = {
  file: FileStep,
  read: ReadStep,
  match: MatchStep,
  consent: ConsentStep,
  rehearsal: RehearsalStep,
  run: RunStep,
  result: ResultStep,
}

export function ImportPage() {
  const { import: id = '', step } = useParams({ strict: false })
  const { data, isError, refetch } = useImport(Number(id))
  const wanted = STEPS.find((one) => one === step)
  return (
    <main className={frame.page}>
      <TabHead />
      <div className={classes.scroll}>
        {isError && !data ? (
          <Failed onAgain={() => void refetch()} />
        ) : !data ? (
          <Skeleton height={240} />
        ) : !wanted || !mayOpen(data, wanted) ? (
          <Navigate
            to="/contacts/imports/$import/$step"
            params={{ import: String(data.id), step: stepOf(data) }}
            replace
          />
        ) : (
          <Opened item={data} step={wanted} />
        )}
      </div>
    </main>
  )
}

function Opened({ item, step }: { item: ImportOut; step: Step }) {
  const { t } = useTranslation()
  const Part = PARTS[step]
  return (
    <>
      <Title order={2} size="h3" mb="sm">
        {item.file?.name || t(`imports.kinds.${item.kind}`)}
      </Title>
      <ol className={classes.steps} aria-label={t('imports.steps.label')}>
        {stepsOf(item).map((one, index) => {
          const name = (
            <>
              <span className={classes.number} aria-hidden>
                {index + 1}
              </span>
              {t(`imports.steps.${one}`)}
            </>
          )
          return (
            <li key={one}>
              {one !== step && mayOpen(item, one) ? (
                <Link
                  className={classes.step}
                  to="/contacts/imports/$import/$step"
                  params={{ import: String(item.id), step: one }}
                >
                  {name}
                </Link>
              ) : (
                <span className={classes.step} aria-current={one === step ? 'step' : undefined}>
                  {name}
                </span>
              )}
            </li>
          )
        })}
      </ol>
      <div className={classes.narrow}>
        <Part key={`${item.id}-${step}`} item={item} />
      </div>
    </>
  )
}
