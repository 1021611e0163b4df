/** The file: dropped, chosen or pasted. */
import { Alert, Button, FileButton, Group, Stack, Text, Textarea } from '@mantine/core'
import '../../ui/formStyles'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { api } from '../../kernel/api'
import { explainCode } from '../../ui/toasts'
import { type One, path, useChange, useOptions } from './data'
import classes from './Imports.module.css'
import { useGo } from './useGo'
import { number, size } from './words'

export function FileStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const go = useGo(item.id)
  const options = useOptions().data
  const [over, setOver] = useState(false)
  const [pasted, setPasted] = useState('')
  const upload = useChange<{ file: Blob; name: string }>(
    item.id,
    ({ file, name }) => api.upload<One>(path(item.id, '/file'), file, name),
    () => go('read'),
  )
  const send = (file: File | null | undefined) => file && upload.mutate({ file, name: file.name })
  return (
    <Stack gap="lg">
      {item.problem && (
        <Alert color="red" title={t('imports.file.refused')}>
          {explainCode(item.problem.code)}
        </Alert>
      )}
      <div
        className={classes.drop}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault()
          setOver(false)
          send(event.dataTransfer.files[0])
        }}
      >
        <Text fw={500}>{t('imports.file.drop')}</Text>
        <FileButton onChange={send} accept=".csv,.txt,.xls,.xlsx,.zip">
          {(props) => (
            <Button {...props} loading={upload.isPending}>
              {t('imports.file.choose')}
            </Button>
          )}
        </FileButton>
        {options && (
          <Text size="sm" c="dimmed">
            {t('imports.file.limits', {
              contacts: options.contacts_mb,
              other: options.other_mb,
              rows: number(options.rows),
            })}
          </Text>
        )}
      </div>
      {item.file && (
        <Group>
          <Text>{t('imports.file.present', { name: item.file.name, size: size(item.file.size) })}</Text>
          {item.described && <Button onClick={() => go('read')}>{t('imports.next')}</Button>}
        </Group>
      )}
      <Textarea
        label={t('imports.file.paste')}
        description={t('imports.file.pasteText')}
        placeholder={'Email,First Name\nmaria@example.com,Maria'}
        value={pasted}
        onChange={(event) => setPasted(event.currentTarget.value)}
        autosize
        minRows={4}
        maxRows={12}
        spellCheck={false}
        dir="ltr"
      />
      <Group>
        <Button
          variant="default"
          disabled={!pasted.trim()}
          loading={upload.isPending}
          onClick={() =>
            upload.mutate({
              file: new Blob([pasted], { type: 'text/csv' }),
              name: 'pasted.csv',
            })
          }
        >
          {t('imports.file.usePasted')}
        </Button>
      </Group>
    </Stack>
  )
}
