SELECT channel.declare_document_index(%s::smallint, %s, %s, %s::jsonb)
